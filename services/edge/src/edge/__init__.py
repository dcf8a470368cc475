"""The edge: holds the phone legs and decides who may talk."""
