"""Empty: mmpose requires this distribution and never imports it."""
