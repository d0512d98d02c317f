"""What has to hold in a whole puzzle set: each check says what it found right, or refuses."""
