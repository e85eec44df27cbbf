//! Writes the first inputs of all targets, made of the vectors, into the folder given.

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: corpus FOLDER");
        return ExitCode::FAILURE;
    };
    match networkdb_fuzz::corpus::write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
