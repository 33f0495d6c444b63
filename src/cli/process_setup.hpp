#pragma once

#include <span>

namespace hufu::cli {

/// Opens those of the descriptors 0 to 2 that are closed on /dev/null. Otherwise the next file or
/// socket would get their number, and with it what was written for a person. Input is then empty,
/// errors are dropped, and output cannot be written: a result that goes nowhere is a failure.
///
/// To be called before anything else opens a file.
void open_standard_streams() noexcept;

/// What a process that holds tokens for days owes to those who gave them to it: no core file, no
/// debugger of the same user in its memory, no TLS session keys in SSLKEYLOGFILE; no end by
/// SIGPIPE, SIGXFSZ, SIGUSR1 or SIGUSR2; and as many open files as it is allowed.
///
/// To be called before the first secret is read, and before the first thread starts.
void harden_process() noexcept;

/// Overwrites the passwords of URIs ("postgresql://user:PASSWORD@host", "…?password=PASSWORD") in
/// the arguments, where the list of processes would show them for as long as the process lives.
/// They belong into a file or a variable; this is for those who put them here all the same.
void hide_passwords(std::span<char*> arguments) noexcept;

/// The processors that this process may run on; at least 1.
int usable_cores() noexcept;

}  // namespace hufu::cli
