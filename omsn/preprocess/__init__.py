"""From raw sound and pictures to clean sound, faces and landmarks."""
