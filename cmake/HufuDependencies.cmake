# Every outside library, found in one place. All are Debian 12 packages: see script/setup.
include_guard()

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
find_package(tl-expected REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(CURL 7.87 REQUIRED)
find_package(SQLite3 3.38 REQUIRED)
find_package(PostgreSQL 13 REQUIRED)
find_package(mongoc-1.0 1.23 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
# What comes without a CMake package of its own.
find_package(PkgConfig REQUIRED)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET GLOBAL hiredis>=0.14)
