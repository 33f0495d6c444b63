# What `cmake --install` puts where: the program, the public headers, one static library, and the
# package that makes find_package(hufu) work.
include_guard()
include(CMakePackageConfigHelpers)

# The layers that a program embeds, as one archive, so that it links one thing.
set(embedded core net redis_client platform store sqlite postgresql redis mongodb opening keeper
    redis_sink sink config library)
add_library(hufu_archive STATIC)
add_library(hufu::hufu ALIAS hufu_archive)
set_target_properties(hufu_archive PROPERTIES OUTPUT_NAME hufu EXPORT_NAME hufu LINKER_LANGUAGE CXX)
target_compile_features(hufu_archive PUBLIC cxx_std_20)
target_include_directories(hufu_archive INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(hufu_archive PUBLIC tl::expected)
foreach(layer IN LISTS embedded)
  target_sources(hufu_archive PRIVATE $<TARGET_OBJECTS:hufu_${layer}>)
  # What the layer uses from outside, its consumer has to link as well.
  get_target_property(uses hufu_${layer} LINK_LIBRARIES)
  list(FILTER uses EXCLUDE REGEX "hufu_|^tl::expected$")
  target_link_libraries(hufu_archive PRIVATE ${uses})
endforeach()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/hufu")
configure_package_config_file(cmake/hufu-config.cmake.in hufu-config.cmake
                              INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a new minor version may break its users.
write_basic_package_version_file(hufu-config-version.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS hufu RUNTIME)
install(TARGETS hufu_archive EXPORT hufu ARCHIVE)
install(DIRECTORY include/hufu DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(EXPORT hufu NAMESPACE hufu:: FILE hufu-targets.cmake DESTINATION "${package_dir}")
install(FILES "${PROJECT_BINARY_DIR}/hufu-config.cmake"
              "${PROJECT_BINARY_DIR}/hufu-config-version.cmake"
        DESTINATION "${package_dir}")
install(FILES packaging/hufu.service DESTINATION lib/systemd/system)
install(FILES packaging/hufu.sysusers DESTINATION lib/sysusers.d RENAME hufu.conf)
install(FILES LICENSE README.md TYPE DOC)
