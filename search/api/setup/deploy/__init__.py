"""Files that start a study's workers elsewhere: what they need to know, the targets, and their templates."""
