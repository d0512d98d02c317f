"""What runs when: the jobs that wait and run, the choice of nuisance values, confirmation."""
