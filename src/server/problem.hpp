#pragma once

#include <string_view>

#include "hufu/error.hpp"
#include "server/route.hpp"

namespace hufu::server {

/// Answers with `application/problem+json` (RFC 9457): type, title, status and detail; `code`, the
/// name of the fault, which is what a program looks at; `errcode` where the platform gave one; and
/// `next_step`. A 409, 429 or 503 gets a `Retry-After`: `error.retry_after` in whole seconds,
/// rounded up, at least 1. `headers` are more of them, complete lines.
void reply_problem(const Answer& answer, int status, const Error& error,
                   std::string_view headers = {});

/// The HTTP status of a failure, where the route has no other reading of it: 400 usage · 401 · 403
/// · 404 · 503 for everything that means "no token now", whatever the cause.
int status_of(Fault fault) noexcept;
/// `reply_problem` with that status.
void reply_error(const Answer& answer, const Error& error);

/// 401, and the same words whether there was no key or a wrong, a revoked or a broken one.
void reply_unauthenticated(const Answer& answer);
/// 403, for want of `right` or of the app.
void reply_forbidden(const Answer& answer, Right right);
/// 503: whether there is such an app is not known yet, as the store is still being read.
void reply_starting(const Answer& answer);
Error unknown_app();

}  // namespace hufu::server
