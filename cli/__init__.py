"""`streakline`: the commands for those who run it and those who emit to it."""
