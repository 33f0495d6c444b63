#pragma once

#include "server/route.hpp"

/// For load balancers and whoever watches. No key is asked: ids of apps are no secret, and a probe
/// that needs one is a probe that fails for the wrong reason.
namespace hufu::server {

/// 200 while the process serves.
void healthz(const Call& call);
/// 503 while starting, when the store is out, and when there are apps but not one has a usable
/// token. The body names the apps without one in any case: the first 100, and how many in all.
/// A node without any app is ready: it waits for its first.
void readyz(const Call& call);

}  // namespace hufu::server
