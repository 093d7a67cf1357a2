//! Code made from the proto file; `tests/it/generated.rs` makes it and checks it.

/// Messages, service and client of the package `lookalike.v1`.
pub mod v1 {
    #![allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "nobody edits this code")]

    include!("generated/lookalike.v1.rs");

    /// The proto file in compiled form, as reflection and dynamic clients want it.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/lookalike.v1.bin");
}
