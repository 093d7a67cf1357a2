//! No circle of more than two files in any crate: who reads one file should not have to read all others first.
//!
//! A file imports what its paths name: `crate::`, `self::` and `super::`, in `use` and in code. A name that another file
//! hands on with `pub use` is looked up where it lives; handing on is no import. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module as its path in the crate: empty for the root.
type Module = Vec<String>;

const MAX_CIRCLE: usize = 2;

struct Source {
    /// Every path that it names, from the root of the crate.
    paths: BTreeSet<Vec<String>>,
    /// What it hands on: the name that it gives it, and where it has it from.
    handed_on: BTreeMap<String, Vec<String>>,
}

/// The files of a crate by their modules.
fn sources(root: &Path) -> BTreeMap<Module, Source> {
    let mut modules: BTreeMap<Module, PathBuf> = BTreeMap::new();
    collect(root, &mut Vec::new(), &mut modules);
    let texts: BTreeMap<&Module, String> =
        modules.iter().map(|(module, path)| (module, shipped(&fs::read_to_string(path).unwrap()))).collect();
    texts.iter().map(|(module, text)| ((*module).clone(), Source::of(module, text))).collect()
}

fn collect(folder: &Path, module: &mut Module, modules: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, modules);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = module.is_empty() && ["lib", "main"].contains(&name.as_str());
            let of_file = if is_root { Vec::new() } else { [&module[..], &[name]].concat() };
            // A crate with both has its program beside its library.
            modules.insert(of_file, path);
        }
    }
}

/// The text without comments, and without what is compiled for tests or documentation alone.
fn shipped(text: &str) -> String {
    let mut shipped = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // How far a name may be seen is no import.
        let code = line.split("//").next().unwrap_or_default().replace("pub(in crate::", "pub(");
        if ["#[cfg(test)]", "#[cfg(doc)]"].contains(&code.trim()) {
            let next = lines.next().unwrap_or_default();
            if next.trim_end().ends_with('{') {
                // Formatted code closes a block where it opened it.
                let close = format!("{}}}", &next[..next.len() - next.trim_start().len()]);
                lines.by_ref().find(|line| *line == close);
            }
            continue;
        }
        shipped.push_str(&code);
        shipped.push('\n');
    }
    shipped
}

impl Source {
    fn of(module: &Module, text: &str) -> Self {
        let mut source = Self { paths: BTreeSet::new(), handed_on: BTreeMap::new() };
        let mut rest = String::new();
        for statement in text.split_inclusive(';') {
            // What stands before a statement on other lines is no part of it.
            let begin = ["\nuse ", "\npub use ", "\npub(crate) use ", "\npub(super) use "]
                .iter()
                .filter_map(|begin| statement.rfind(begin))
                .max();
            let begin = begin.or_else(|| statement.starts_with("use ").then_some(0));
            let Some(begin) = begin else {
                rest.push_str(statement);
                continue;
            };
            rest.push_str(&statement[..begin]);
            let (visibility, tree) = statement[begin..].trim_end_matches(';').split_once("use ").unwrap();
            let is_public = !visibility.trim().is_empty();
            for (path, name) in expanded(tree) {
                let Some(path) = absolute(module, &path) else { continue };
                if is_public {
                    source.handed_on.insert(name, path);
                } else {
                    source.paths.insert(path);
                }
            }
        }
        for word in rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            let path: Vec<String> = word.split("::").map(str::to_owned).collect();
            if path.len() > 1 {
                source.paths.extend(absolute(module, &path));
            }
        }
        source
    }
}

/// The paths of a use tree with the names that they get.
fn expanded(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((head, inner)) = tree.split_once('{') {
        let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
        let head: Vec<String> = head
            .trim()
            .trim_end_matches("::")
            .split("::")
            .map(str::to_owned)
            .filter(|p| !p.is_empty())
            .collect();
        let parts = parts(inner).into_iter().flat_map(expanded);
        return parts.map(|(path, name)| ([head.clone(), path].concat(), name)).collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
    if path.is_empty() {
        return Vec::new();
    }
    let path: Vec<String> = path.trim().split("::").map(str::to_owned).collect();
    vec![(path, name.trim().to_owned())]
}

/// What stands between the commas that no brace holds.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (place, sign) in list.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&list[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    found.push(&list[start..]);
    found
}

/// A path from the root of the crate; `None` for one above it.
fn absolute(module: &Module, path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = module.split_last()?.1.to_vec();
            match rest.first().map(String::as_str) {
                Some("super") => absolute(&parent, rest),
                _ => Some([&parent[..], rest].concat()),
            }
        }
        // A module of this one, or another crate's, which then ends here.
        _ => Some([module, path].concat()),
    }
}

/// The module in which a path ends, through whoever hands its name on.
fn home(path: &[String], sources: &BTreeMap<Module, Source>, left: usize) -> Option<Module> {
    let length = (0..=path.len()).rev().find(|length| sources.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let handed_on = rest.first().and_then(|name| sources[module].handed_on.get(name));
    match handed_on {
        Some(origin) if left > 0 => home(&[origin, &rest[1..]].concat(), sources, left - 1),
        _ => Some(module.to_vec()),
    }
}

/// Modules that all lead to each other.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            for next in edges.get(&module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = edges.keys().map(|from| (from, reach(from))).collect();
    let circle = |from: &Module| -> BTreeSet<Module> {
        reached[from].iter().filter(|to| reached.get(to).is_some_and(|r| r.contains(from))).cloned().collect()
    };
    edges.keys().map(circle).filter(|circle| circle.len() > MAX_CIRCLE).collect()
}

fn edges(sources: &BTreeMap<Module, Source>) -> BTreeMap<Module, BTreeSet<Module>> {
    let to = |from: &Module, source: &Source| {
        let homes = source.paths.iter().filter_map(|path| home(path, sources, 8));
        homes.filter(|home| home != from).collect()
    };
    sources.iter().map(|(module, source)| (module.clone(), to(module, source))).collect()
}

#[test]
fn no_crate_has_a_circle_of_more_than_two_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    folders.push(root.join("plugin-api/src"));
    let mut found = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        for circle in circles(&edges(&sources(&folder))) {
            let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            found.push(format!("{}: {}", folder.strip_prefix(&root).unwrap().display(), names.join(" ")));
        }
    }
    assert!(found.is_empty(), "files that import each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_through_what_is_handed_on() {
    let module = |name: &str| vec![name.to_owned()];
    let source = |name: &str, text: &str| (module(name), Source::of(&module(name), &shipped(text)));
    let root = "\nmod a;\nmod b;\nmod c;\npub use a::{A, Other as Renamed};\npub use b::B;\n";
    let mut sources: BTreeMap<Module, Source> = [
        source("a", "use crate::{B, c};\n// use crate::nothing;\n"),
        source("b", "fn b() { crate::c::made() }\n"),
        source("c", "use super::Renamed;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n"),
    ]
    .into();
    sources.insert(Vec::new(), Source::of(&Vec::new(), root));
    let all = edges(&sources);
    assert_eq!(all[&module("b")], [module("c")].into());
    assert_eq!(circles(&all), [["a", "b", "c"].map(module).into()].into());
    sources.get_mut(&module("c")).unwrap().paths.clear();
    assert!(circles(&edges(&sources)).is_empty());
}
