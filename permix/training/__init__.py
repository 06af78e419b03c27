"""Every arm, by TRL's trainers, in one child process that resumes where it was stopped."""
