//! The committed code is what the proto file says. Nobody but whoever edits the proto has to generate anything, and
//! no protoc is needed.

use std::fs;
use std::path::Path;

use protox::Compiler;

const PROTO: &str = "lookalike/v1/lookalike.proto";
const UPDATE: &str = "UPDATE_GENERATED";
const FILES: [&str; 2] = ["lookalike.v1.rs", "lookalike.v1.bin"];

fn generate(proto: &Path, out: &Path) {
    let mut compiler = Compiler::new([proto]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_file(PROTO).unwrap();
    tonic_prost_build::configure()
        .out_dir(out)
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())
        .unwrap();
    // Comments are for the Rust code; reflection clients have no use for them.
    compiler.include_source_info(false);
    fs::write(out.join("lookalike.v1.bin"), compiler.encode_file_descriptor_set()).unwrap();
}

#[test]
fn the_generated_code_is_that_of_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/generated");
    let fresh = tempfile::tempdir().unwrap();
    generate(&root.join("proto"), fresh.path());
    for file in FILES {
        let expected = fs::read(fresh.path().join(file)).unwrap();
        if std::env::var_os(UPDATE).is_some() {
            fs::write(committed.join(file), expected).unwrap();
        } else {
            assert!(
                fs::read(committed.join(file)).is_ok_and(|found| found == expected),
                "src/generated/{file} is not what {PROTO} gives; run\n  \
                 {UPDATE}=1 cargo test -p lookalike-server generated\nand commit the result"
            );
        }
    }
}
