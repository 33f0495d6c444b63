#pragma once

#include <string>
#include <string_view>

namespace hufu {

/// The name under which this process holds leases: machine, boot, process and the moment it was
/// started, so that it is never mistaken for another, not even for one with a recycled id.
/// Thread-safe; the same for the life of the process.
const std::string& process_identity();

/// Names the time since this machine was started, the same for all processes until it is started
/// anew; empty where the system does not tell.
const std::string& boot_id();

/// The name of this machine; empty where the system does not tell.
std::string host_name();

/// What people are shown of an identity: "HOST:PID"; the whole of a name of another form.
std::string short_name_of(std::string_view identity);

/// Whether `identity` names a process of this machine (and this pid namespace) that is known to be
/// gone. False whenever it cannot be told: another machine, a name of another form.
bool process_is_gone(std::string_view identity);

}  // namespace hufu
