#pragma once

namespace hufu::cli {

/// What a process that holds tokens for days owes to those who gave them to it: no core file, no
/// debugger of the same user in its memory, no death by a closed pipe; and as many open files as it
/// is allowed. To be called before the first secret is read.
void harden_process() noexcept;

/// The processors that this process may run on; at least 1.
int usable_cores() noexcept;

}  // namespace hufu::cli
