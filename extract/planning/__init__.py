"""What an extraction takes, before anybody starts it: disk, hours, GPUs, commands."""
