//! What the documents and `--help` tell people to type works as it stands there, one after the other.
//!
//! Blocks marked `sh` are run here, in the order of their document and in a folder of its own; those marked `sh long`,
//! commands between backticks and Python programs by `scripts/documents`.

mod collect;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use collect::{Document, documents, words};
use precipice_num::{Arithmetic, Kernels};

/// Commands that are not the program's, and who runs them.
const ELSEWHERE: [(&str, &str); 11] = [
    ("cargo run --release -- run", "check"),
    ("cargo install --path crates/precipice-cli", "check"),
    ("cargo test --workspace", "check"),
    ("cargo run --release -p own-task", "examples/own-task/tests"),
    ("cargo run --release -p own-probe", "examples/own-probe/tests"),
    ("cargo run --release -p own-loop", "examples/own-loop/tests"),
    ("cargo bench", "by hand: the machine has to be calm"),
    ("scripts/bench_peers.py", "by hand: installs PyTorch and JAX"),
    ("scripts/", "named scripts"),
    ("REGENERATE=1 cargo test -p precipice --test columns", "whoever changes a column"),
    ("pip install", "scripts/documents"),
];

/// A folder for the commands of one document.
struct Reader {
    folder: tempfile::TempDir,
    name: String,
}

impl Reader {
    fn new(name: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), name: name.to_owned() }
    }

    /// Types a command and expects that it ends well; what it prints.
    fn types(&self, command: &str) -> String {
        self.attempts(command).unwrap_or_else(|said| panic!("{}: {command}\n{said}", self.name))
    }

    /// What a command prints, or all that it says where it does not end well. A server is ended when it has said where it
    /// is.
    fn attempts(&self, command: &str) -> Result<String, String> {
        if command.starts_with("precipice serve") && !command.contains("--help") {
            self.serves(command)
        } else {
            self.tries(&mut self.shell(command))
        }
    }

    fn serves(&self, command: &str) -> Result<String, String> {
        // Another test may have the usual port.
        let port = if command.contains("--port") { "" } else { " --port 0" };
        let mut shell = self.shell(&format!("exec {command}{port}"));
        shell.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = shell.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let is_there = said.starts_with("http://");
        let interrupted = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
        let output = server.wait_with_output().unwrap();
        let is_well = is_there && interrupted.unwrap().success() && output.status.success();
        if is_well { Ok(said) } else { Err(said + &String::from_utf8_lossy(&output.stderr)) }
    }

    fn shell(&self, command: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_precipice")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", command]).env("PATH", path);
        shell
    }

    /// What a command prints, or all that it says where it does not end well.
    fn tries(&self, command: &mut Command) -> Result<String, String> {
        let output = command.current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // 1 is a check that failed or a run that was stopped: for a reader, too, something that does not work.
        if output.status.success() { Ok(said) } else { Err(said + &String::from_utf8_lossy(&output.stderr)) }
    }

    /// Runs a block's Python program by the interpreter that `PYTHON` names, which has what it imports.
    fn runs_python(&self, lines: &[String]) {
        let python = std::env::var_os("PYTHON").expect("PYTHON: scripts/documents sets it");
        let program = lines.join("\n");
        let ran = self.tries(Command::new(PathBuf::from(python)).args(["-c", &program]));
        ran.unwrap_or_else(|said| panic!("{}: {program}\n{said}", self.name));
    }
}

fn is_elsewhere(line: &str) -> bool {
    ELSEWHERE.iter().any(|(command, _)| line.starts_with(command))
}

/// Runs a document's blocks in order, those that take minutes too if `is_patient`.
fn read(document: &Document, is_patient: bool) {
    let reader = Reader::new(&document.name);
    let mut said = String::new();
    for block in &document.blocks {
        match &*block.info {
            "sh" => {}
            "sh long" if is_patient => {}
            "python" if is_patient => {
                reader.runs_python(&block.lines);
                continue;
            }
            "text" if !said.is_empty() => {
                was_said(document, &block.lines, &said);
                continue;
            }
            _ => continue,
        }
        said.clear();
        for line in block.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if !is_elsewhere(line) {
                eprintln!("{}: {line}", document.name);
                said += &reader.types(line);
            }
        }
    }
}

/// A block of `text` after commands is what they print; numbers too, as bits do not depend on the machine. Lines may be
/// left out, and `…` stands for the rest of one.
fn was_said(document: &Document, lines: &[String], said: &str) {
    let is_here = |line: &str| match line.strip_suffix('…') {
        Some(beginning) => said.lines().any(|said| said.trim().starts_with(beginning.trim())),
        None => said.lines().any(|said| said.trim() == line.trim()),
    };
    // Without fused multiply-add the last bits differ, and with them the steps.
    if Kernels::detect().arithmetic() == Arithmetic::Fused {
        let wrong = lines.iter().find(|line| !is_here(line));
        assert_eq!(wrong, None, "{}: was not said, but\n{said}", document.name);
    }
}

/// Whether a command is whole: names in capitals (`RUN`, `FILE`) and dots stand for something else.
fn is_whole(command: &str) -> bool {
    let is_name = |word: &str| {
        let letters = word.trim_matches(|c: char| !c.is_alphanumeric());
        letters.starts_with(|c: char| c.is_ascii_uppercase())
            && letters.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let mut values = command.split([' ', '=', '/', ',']).filter(|word| !word.starts_with('-'));
    !["…", "...", "<"].iter().any(|gap| command.contains(gap)) && !values.any(is_name)
}

/// A block without a name would be run by nobody.
#[test]
fn every_block_says_what_it_is() {
    let known = ["sh", "sh long", "python", "pycon", "toml", "text", "json", "rust"];
    for document in documents() {
        for block in &document.blocks {
            assert!(known.contains(&&*block.info), "{}: ```{} {:?}", document.name, block.info, block.lines.first());
            let is_command = |line: &&String| line.trim_start().starts_with("precipice ");
            if !block.info.starts_with("sh") {
                assert_eq!(block.lines.iter().find(is_command), None, "{}: not in a block of sh", document.name);
            }
        }
    }
}

#[test]
fn commands_in_the_documents_work() {
    documents().iter().for_each(|document| read(document, false));
}

#[test]
#[ignore = "minutes to hours; scripts/documents runs it"]
fn long_commands_in_the_documents_work() {
    documents().iter().for_each(|document| read(document, true));
}

/// Commands in running text, those that are whole: each in a folder in which there is a run.
#[test]
#[ignore = "many minutes; scripts/documents runs it"]
fn commands_between_backticks_work() {
    let reader = Reader::new("text");
    reader.types("precipice run copying-small -q");
    let mut done = Vec::new();
    for document in documents() {
        for command in document.inline.iter().filter(|command| is_whole(command) && words(command).len() > 1) {
            // Claims and thousands of runs are what RESULTS.md is about: they have a script of their own.
            let is_hours = command.contains("reproduce") || command.contains("sweep ") || command.contains("--growth");
            if is_hours || done.contains(command) {
                continue;
            }
            eprintln!("{}: {command}", document.name);
            let problem = reader.attempts(command).err();
            // In text a command may stand without what has to follow it.
            let problem = problem.filter(|said| !said.contains("required arguments were not provided"));
            assert_eq!(problem, None, "{}: {command}", document.name);
            done.push(command.clone());
        }
    }
}

/// The words after "Examples:" in the help of every subcommand, in order, in one folder.
#[test]
fn examples_in_the_help_work() {
    let reader = Reader::new("--help");
    let mut n_examples = 0;
    for command in subcommands(&reader, "precipice") {
        let help = reader.types(&format!("{command} --help"));
        let examples = help.split_once("Examples:").unwrap_or_else(|| panic!("{command} has no examples")).1;
        // Where it is there already, it becomes the latest again.
        reader.types("precipice run copying-small -q");
        for example in examples.lines().map(str::trim).filter(|line| !line.is_empty()) {
            assert!(example.starts_with(&command) || example.starts_with("precipice run"), "{command}: {example}");
            eprintln!("{example}");
            reader.types(example);
            n_examples += 1;
        }
    }
    assert!(n_examples >= 20, "{n_examples}");
}

/// Commands that do something, as `--help` lists them.
fn subcommands(reader: &Reader, command: &str) -> Vec<String> {
    let help = reader.types(&format!("{command} --help"));
    let Some((_, listed)) = help.split_once("Commands:\n") else { return vec![command.to_owned()] };
    let names = listed.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| !line.starts_with("    ")).filter_map(|line| line.split_whitespace().next());
    let below = names.filter(|name| *name != "help").flat_map(|name| subcommands(reader, &format!("{command} {name}")));
    // One that does something without a word after it, too.
    help.contains("Examples:").then(|| command.to_owned()).into_iter().chain(below).collect()
}
