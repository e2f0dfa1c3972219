"""Where mail enters: SMTP from the world and submission from users."""
