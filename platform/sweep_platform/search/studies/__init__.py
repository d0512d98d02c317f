"""The study that Optuna proposes from: opened, kept, and as its dashboard shows it."""
