"""Checkpoints and bundles in the repositories of the Hugging Face hub.

Nothing here is called unless the user named a repository. HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE,
HF_TOKEN and the timeouts mean what they mean to huggingface_hub, which does all the talking.
"""
