//! The network: architectures, weights, preprocessing, devices, training.
