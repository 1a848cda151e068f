//! `evenkeel`: see the library's [`evenkeel::cli`].

fn main() -> std::process::ExitCode {
    evenkeel::cli::main()
}
