"""What every talker is made of: takes offers, gets ready, is cut over to, converses, hands over, is adopted."""
