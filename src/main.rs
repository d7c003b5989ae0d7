//! The `lbw` command: parse the arguments, run the command, exit with its code.

fn main() -> std::process::ExitCode {
    lbw::cli::run(std::env::args_os())
}
