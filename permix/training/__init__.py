"""PerMix-RLVR on TRL's GRPOTrainer, in one child process that resumes where it was stopped."""
