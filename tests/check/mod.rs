//! `pipewarden check`, topic by topic, through the library and the command line.

/// The twelve ways in which pipelines stand, or seem to stand, behind an approval, written as templates.
mod approval;
/// What a change is compared with: commits, files, baselines.
mod change;
/// Which outputs go where, as a user asks for them.
mod formats;
mod hook;
/// Files that try to break the readers, and what fuzzers start from.
mod hostile;
/// What `init` writes and says.
mod init;
/// Files, folders, patterns and stdin: what is read, what is left out, and what is said of it.
mod inputs;
/// What the last audit saw.
mod inventory;
/// Every output on one report of mixed outcomes and hostile names.
mod outputs;
/// Values of parameters, from the command line and from files.
mod parameters;
/// One pipeline, described in every way there is.
mod roads;
/// Live and declared resources give the same facts.
mod shape;
/// What is open never leads to a wrong answer.
mod soundness;
/// Plans of Terraform.
mod terraform;
/// What a person reads on the terminal.
mod words;
