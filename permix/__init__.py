"""PerMix-RLVR as a pipeline: persona-robust, persona-faithful LLMs by RL with verifiable rewards.

The library holds the domain code only; `tasks/` wraps it for Prefect and MLflow, `flows/` puts it in order.
"""
