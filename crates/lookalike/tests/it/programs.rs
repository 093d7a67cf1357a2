//! The programs that the README shows, compiled with this crate alone and run.

use std::fs::{self, File};
use std::path::Path;

use lookalike::{Image, Store, StoreConfig, encode_png};

mod first_search {
    include!("../../../../examples/first_search.rs");

    pub(crate) fn run() {
        main().unwrap();
    }
}

mod own_embedder {
    include!("../../../../examples/own_embedder.rs");

    pub(crate) fn run() {
        main().unwrap();
    }
}

const FIRST_SEARCH: &str = include_str!("../../../../examples/first_search.rs");
const OWN_EMBEDDER: &str = include_str!("../../../../examples/own_embedder.rs");
const README: &str = include_str!("../../../../README.md");

/// The code of an example, as the README has it: without the comment that is its first line.
fn code(example: &str) -> &str {
    example.split_once('\n').unwrap().1
}

#[test]
fn the_readme_shows_the_shortest_program_as_it_is_compiled() {
    assert!(README.contains(code(FIRST_SEARCH)), "README.md does not show examples/first_search.rs");
    assert!(FIRST_SEARCH.lines().count() <= 12 && OWN_EMBEDDER.lines().count() <= 40);
    for example in [FIRST_SEARCH, OWN_EMBEDDER] {
        let mut used = example.lines().filter_map(|line| line.strip_prefix("use "));
        assert!(used.all(|path| path.starts_with("lookalike::") || path.starts_with("std::")));
    }
}

/// One test, because the programs look into the folder that the process is in.
#[test]
fn both_programs_run_in_a_folder_with_a_database_of_the_command_line_and_some_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/database-with-views.tar.gz");
    tar::Archive::new(flate2::read::GzDecoder::new(File::open(packed).unwrap()))
        .unpack(folder.path())
        .unwrap();
    let pictures = folder.path().join("pictures/plain");
    fs::create_dir_all(&pictures).unwrap();
    for shade in [0, 200] {
        let image = Image::new(8, 8, 3, vec![shade; 192]).unwrap();
        fs::write(pictures.join(format!("{shade}.png")), encode_png(&image).unwrap()).unwrap();
    }
    std::env::set_current_dir(folder.path()).unwrap();

    first_search::run();
    own_embedder::run();
    let made = Store::open(Path::new("colours.db"), StoreConfig::default()).unwrap();
    assert_eq!(made.collection("main").unwrap().unwrap().catalog().len(), 2);
}
