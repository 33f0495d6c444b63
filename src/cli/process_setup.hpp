#pragma once

#include <span>

namespace hufu::cli {

/// What a process that holds tokens for days owes to those who gave them to it: no core file, no
/// debugger of the same user in its memory, no death by a closed pipe; and as many open files as it
/// is allowed. To be called before the first secret is read.
void harden_process() noexcept;

/// Overwrites the passwords of URIs ("postgresql://user:PASSWORD@host", "…?password=PASSWORD") in
/// the arguments, where the list of processes would show them for as long as the process lives.
/// They belong into a file or a variable; this is for those who put them here all the same.
void hide_passwords(std::span<char*> arguments) noexcept;

/// The processors that this process may run on; at least 1.
int usable_cores() noexcept;

}  // namespace hufu::cli
