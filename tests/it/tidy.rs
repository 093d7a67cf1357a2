//! The house rules that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Edges between our crates, complete. A new one is a decision: change the table and crates/ARCHITECTURE.md. Packages
/// stand here without the "lookalike-" that begins their names on a registry.
const EDGES: [(&str, &[&str]); 12] = [
    ("plugin-api", &[]),
    ("kernels", &["plugin-api"]),
    ("vision", &["kernels", "plugin-api"]),
    ("store", &["plugin-api"]),
    ("parquet", &[]),
    ("datasets", &["kernels", "parquet", "plugin-api"]),
    ("tmm", &["kernels", "plugin-api", "vision"]),
    ("engine", &["parquet", "plugin-api", "store"]),
    ("eval", &["datasets", "engine", "kernels", "plugin-api", "tmm", "vision"]),
    ("lookalike", &["datasets", "engine", "plugin-api", "store", "tmm", "vision"]),
    ("server", &["engine"]),
    ("cli", &["datasets", "engine", "eval", "lookalike", "plugin-api", "server", "store", "tmm", "vision"]),
];

/// Packages that only some of our crates may name.
const RESERVED: [(&str, &[&str]); 7] = [
    ("sled", &["store"]),
    ("burn", &["vision"]),
    ("burn-tch", &["vision"]),
    ("tonic", &["server", "cli", "examples"]),
    ("tokio", &["server", "cli", "examples"]),
    ("anyhow", &["cli", "examples"]),
    ("clap", &["cli"]),
];

const TOP_LEVEL: [&str; 8] =
    ["Cargo.lock", "Cargo.toml", "README.md", "crates", "examples", "plugin-api", "target", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Manifest {
    /// Without the prefix of our packages.
    name: String,
    folder: PathBuf,
    dependencies: BTreeSet<String>,
}

fn manifests() -> Vec<Manifest> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders =
        crates.filter(|path| path.is_dir()).chain([root().join("plugin-api"), root().join("examples")]);
    folders.map(|folder| read_manifest(&folder)).collect()
}

fn read_manifest(folder: &Path) -> Manifest {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let package = manifest["package"]["name"].as_str().unwrap();
    // Tests may use what they like; what is shipped may not.
    let dependencies = ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|section| manifest.get(section)?.as_table())
        .flat_map(|section| section.keys().cloned())
        .collect();
    Manifest { name: short(package), folder: folder.to_owned(), dependencies }
}

fn short(package: &str) -> String {
    package.strip_prefix("lookalike-").unwrap_or(package).to_owned()
}

#[test]
fn our_packages_share_a_prefix_that_a_registry_knows_them_by() {
    for folder in manifests().into_iter().map(|manifest| manifest.folder) {
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let package = manifest["package"]["name"].as_str().unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let expected = if name == "lookalike" { name.to_owned() } else { format!("lookalike-{name}") };
        assert_eq!(package, expected, "in {}", folder.display());
    }
}

#[test]
fn crates_depend_only_on_the_crates_they_may() {
    let edges: BTreeMap<&str, &[&str]> = EDGES.into();
    let manifests = manifests();
    // One of ours may share its short name with a package of somebody else.
    let is_ours = |package: &&String| package.split('-').next() == Some("lookalike");
    for manifest in manifests.iter().filter(|m| m.name != "examples") {
        let allowed = edges.get(manifest.name.as_str()).unwrap_or_else(|| {
            panic!("crate \"{}\" is not in the table of edges", manifest.name);
        });
        for dependency in manifest.dependencies.iter().filter(is_ours).map(|package| short(package)) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{} must not depend on {dependency}",
                manifest.name
            );
        }
    }
}

#[test]
fn reserved_packages_are_named_only_where_they_belong() {
    for manifest in manifests() {
        for (package, allowed) in RESERVED {
            assert!(
                !manifest.dependencies.contains(package) || allowed.contains(&manifest.name.as_str()),
                "{} must not name {package}",
                manifest.name
            );
        }
    }
}

#[test]
fn the_contract_depends_on_nothing() {
    let contract = manifests().into_iter().find(|m| m.name == "plugin-api").unwrap();
    assert_eq!(contract.dependencies, BTreeSet::new());
}

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    // What git ignores is the user's: build output, the demo's page, a database tried out in the checkout.
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let is_ignored = |name: &str| {
        ignored.lines().any(|line| match line.strip_prefix('*') {
            Some(ending) => name.ends_with(ending),
            None => line.trim_start_matches('/') == name,
        })
    };
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = TOP_LEVEL.contains(&name.as_str()) || is_ignored(&name);
        assert!(known || name.starts_with('.') || name.starts_with("LICENSE"), "\"{name}\" at the top level");
    }
}

#[test]
fn libraries_read_no_environment_and_spawn_no_unsafe() {
    for manifest in manifests().into_iter().filter(|m| m.name != "cli" && m.name != "examples") {
        for file in rust_files(&manifest.folder.join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!shipped.contains("env::var"), "{} reads the environment", file.display());
            let may_be_unsafe =
                ["store/src/power.rs", "store/src/mapped.rs"].iter().any(|path| file.ends_with(path));
            assert!(may_be_unsafe || !shipped.contains("unsafe "), "{} is unsafe", file.display());
        }
    }
}

#[test]
fn modules_are_files_beside_their_folder() {
    for manifest in manifests() {
        let odd = rust_files(&manifest.folder).into_iter().find(|file| file.ends_with("mod.rs"));
        assert_eq!(odd, None);
    }
}

/// A file that no module names is compiled by nobody and rots.
#[test]
fn every_source_file_is_a_module() {
    for manifest in manifests().into_iter().filter(|m| m.name != "examples") {
        let source = manifest.folder.join("src");
        let roots = ["lib.rs", "main.rs"].map(|root| source.join(root));
        for file in rust_files(&source).into_iter().filter(|file| !roots.contains(file)) {
            let folder = file.parent().unwrap();
            let parents = if folder == source { roots.to_vec() } else { vec![folder.with_extension("rs")] };
            let declared = format!("mod {};", file.file_stem().unwrap().to_str().unwrap());
            // Generated code is named by the file that includes it.
            let is_generated = folder.ends_with("generated");
            let is_named = parents
                .iter()
                .any(|parent| fs::read_to_string(parent).is_ok_and(|text| text.contains(&declared)));
            assert!(is_named || is_generated, "{} is in no module", file.display());
        }
    }
}

#[test]
fn paths_named_in_the_documents_exist() {
    for document in ["README.md", "crates/ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = ["crates/", "plugin-api/", "examples/", "tests/", ".ci/"]
                .iter()
                .any(|start| quoted.starts_with(start));
            if is_path && !quoted.contains([' ', '*', '<', '{']) {
                assert!(root().join(quoted).exists(), "{document} names {quoted}, which does not exist");
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
