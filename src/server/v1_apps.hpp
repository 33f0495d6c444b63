#pragma once

#include "server/route.hpp"

/// The apps that tokens are kept for. What a request must look like is in openapi.json; errors are
/// problems (problem.hpp).
namespace hufu::server {

/// ?after=, &limit=, &platform=, &parent=, &state=, &q= (a part of the id): apps in order of id;
/// "next" is there when there are more. A key for some apps sees those.
void list_apps(const Call& call);
void get_app(const Call& call);
/// Makes (201) or replaces (200) an app; takes the names of the config file, credentials as plain
/// texts. A credential that is left out of a change stays as it is. 409 for an app of the config
/// file.
void put_app(const Call& call);
/// 204; 404 if there was none; 409 for one of the config file.
void delete_app(const Call& call);

}  // namespace hufu::server
