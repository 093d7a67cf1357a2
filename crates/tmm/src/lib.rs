//! The TMM-NN method as a reranker plugin.
