//! The `lbw` command: parse the arguments, run the command, exit with its code.

/// Activations come and go by the megabyte, hundreds of times per step. The system's allocator gives such memory back at
/// once and has it cleared again each time, which costs a tenth of the time; this one keeps it for the next operator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lbw::cli::run(std::env::args_os())
}
