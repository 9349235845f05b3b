"""Whether anything is lost or done twice while processes die, stop and are cut off."""
