# What every target of the project is built with, and the two ways to declare one.
include_guard()
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")

# What one clone has compiled, another takes from the cache: paths count from the top of the tree.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
      CCACHE_NOHASHDIR=true CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
endif()

add_library(hufu_build INTERFACE)
target_compile_options(hufu_build INTERFACE "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.")
if(HUFU_SYMBOLS)
  target_compile_options(hufu_build INTERFACE -g)
endif()
target_compile_options(hufu_build INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wold-style-cast -Wcast-qual -Woverloaded-virtual)
if(HUFU_WERROR)
  target_compile_options(hufu_build INTERFACE -Werror)
endif()
if(HUFU_SANITIZE)
  target_compile_options(hufu_build INTERFACE -fsanitize=${HUFU_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(hufu_build INTERFACE -fsanitize=${HUFU_SANITIZE})
  if(HUFU_SANITIZE MATCHES "undefined")
    # It reads memory through a pipe, and one test leaves the process no file descriptor for that.
    target_compile_options(hufu_build INTERFACE -fno-sanitize=vptr)
    # clang 14 cannot put this one into a coroutine; GCC has it not.
    target_compile_options(hufu_build INTERFACE
                           $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  endif()
endif()
if(HUFU_FAILPOINTS)
  target_compile_definitions(hufu_build INTERFACE HUFU_FAILPOINTS=1)
endif()

# What most files include, read once: a third of a first build's time. Off where somebody works on the
# sources, so that a file which forgets to include something does not compile.
if(HUFU_PRECOMPILE)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled.cpp" CONTENT "")
  add_library(hufu_precompiled OBJECT "${PROJECT_BINARY_DIR}/precompiled.cpp")
  target_link_libraries(hufu_precompiled PRIVATE hufu_build tl::expected)
  # GCC 12 forgets that what is precompiled belongs to the system, and complains of it.
  target_compile_options(hufu_build INTERFACE -Wno-array-bounds)
  target_precompile_headers(hufu_precompiled PRIVATE
    <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <functional> <map> <memory>
    <mutex> <optional> <ostream> <set> <span> <sstream> <string> <string_view> <thread>
    <tl/expected.hpp> <unordered_map> <utility> <variant> <vector>)
endif()

if(HUFU_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# What a whole binary of cases may take: under a sanitizer, on a busy machine.
set(HUFU_BINARY_TIMEOUT 1500)

# hufu_unit_tests(TARGET): a test for each case. Under a sanitizer, where every process takes its time
# to start, one for all of them; which cases were skipped, and why, is for the others to say.
function(hufu_unit_tests target)
  if(HUFU_SANITIZE)
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES TIMEOUT ${HUFU_BINARY_TIMEOUT})
  else()
    gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

# hufu_layer(NAME sources… [USES targets…] [TESTS sources…] [TEST_USES targets…] [WITH_SERVER])
# One folder: a static library hufu_NAME, and hufu_NAME_test from the tests that stand beside it.
# WITH_SERVER: the tests start a server for themselves, so they run as one, in one process; they
# print "not run: WHY" where that server cannot be had.
function(hufu_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 layer "WITH_SERVER" "" "USES;TESTS;TEST_USES")
  add_library(hufu_${name} STATIC ${layer_UNPARSED_ARGUMENTS})
  target_include_directories(hufu_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_link_libraries(hufu_${name} PUBLIC ${layer_USES} PRIVATE $<BUILD_INTERFACE:hufu_build>)
  if(HUFU_PRECOMPILE)
    target_precompile_headers(hufu_${name} REUSE_FROM hufu_precompiled)
  endif()
  if(HUFU_BUILD_TESTS AND layer_TESTS)
    add_executable(hufu_${name}_test ${layer_TESTS})
    target_link_libraries(hufu_${name}_test PRIVATE hufu_${name} hufu_build ${layer_TEST_USES}
                          GTest::gmock)
    if(layer_WITH_SERVER)
      add_test(NAME store_${name} COMMAND hufu_${name}_test)
      set_tests_properties(store_${name} PROPERTIES SKIP_REGULAR_EXPRESSION "(^|\n)not run: "
                           TIMEOUT ${HUFU_BINARY_TIMEOUT})
    else()
      target_link_libraries(hufu_${name}_test PRIVATE GTest::gtest_main)
      hufu_unit_tests(hufu_${name}_test)
    endif()
  endif()
endfunction()
