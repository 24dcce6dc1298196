# format, format-check and lint: they fail when something is wrong. The rules are in tests/lint.
file(GLOB_RECURSE HF_SOURCES CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/proto/*.[ch] ${PROJECT_SOURCE_DIR}/server/*.[ch]
  ${PROJECT_SOURCE_DIR}/client/*.[ch] ${PROJECT_SOURCE_DIR}/tests/*.[ch])
add_custom_target(format COMMAND clang-format-14 -i ${HF_SOURCES} VERBATIM)
add_custom_target(format-check COMMAND clang-format-14 --dry-run -Werror ${HF_SOURCES} VERBATIM)
if(HOLDFAST_TESTS)
  add_custom_target(lint
    COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${PROJECT_BINARY_DIR} -L lint --output-on-failure
    USES_TERMINAL VERBATIM)
  add_dependencies(lint holdfast)
endif()
