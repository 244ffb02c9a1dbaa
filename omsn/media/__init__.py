"""Files in and out: sound, picture, landmark files."""
