//! An embedded image vector database whose neighbours survive noise.
