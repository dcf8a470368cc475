"""The Twilio leg: webhooks, TwiML and the Media Streams socket."""
