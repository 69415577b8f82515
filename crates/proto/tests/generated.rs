//! Regenerates the code of this crate from `proto/` and compares it with what is committed in `src/generated/`.
//! The test knows how to generate, not what is right: `wire.rs` judges the facts. The compiler is protox, in Rust, so
//! that nobody needs `protoc`; it runs only here, so that an ordinary build needs neither.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

/// Set to `1`, this variable makes the test rewrite the committed files instead of comparing them.
const UPDATE: &str = "UPDATE_GENERATED";

type Fallible<T> = Result<T, Box<dyn Error>>;

#[test]
fn committed_code_matches_the_proto_files() -> Fallible<()> {
    let described = compile()?;
    check("orchestrator.rs", rust_code(described.clone())?.as_bytes())?;
    check("orchestrator.bin", &without_source_info(described).encode_to_vec())
}

/// Compiles all proto files, with their imports and comments, dependencies first.
fn compile() -> Fallible<FileDescriptorSet> {
    let mut compiler = protox::Compiler::new([crate_folder().join("proto")])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files()?)?;
    Ok(compiler.file_descriptor_set())
}

/// The proto files of the package in the order of their names, which makes the output reproducible.
fn proto_files() -> Fallible<Vec<PathBuf>> {
    let mut files = fs::read_dir(crate_folder().join("proto"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Fallible<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Maps become `BTreeMap`s, so that equal messages have equal encodings.
fn rust_code(described: FileDescriptorSet) -> Fallible<String> {
    let out = tempfile::tempdir()?;
    tonic_prost_build::configure().btree_map(".").out_dir(out.path()).compile_fds(described)?;
    Ok(fs::read_to_string(out.path().join("orchestrator.rs"))?)
}

fn without_source_info(mut described: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut described.file {
        file.source_code_info = None;
    }
    described
}

/// Compares one committed file with its fresh content, or rewrites it when [`UPDATE`] asks for that.
fn check(name: &str, fresh: &[u8]) -> Fallible<()> {
    let path = crate_folder().join("src/generated").join(name);
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        return Ok(fs::write(path, fresh)?);
    }
    if fs::read(&path)? == fresh {
        return Ok(());
    }
    Err(format!(
        "src/generated/{name} is not what proto/ generates: \
         run `{UPDATE}=1 cargo test -p proto --test generated` and commit the result"
    )
    .into())
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
