//! Disk: collections, exemplars, feature rows, bitmaps and their integrity.
