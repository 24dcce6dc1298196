# Warnings for our own code. -Werror comes from the presets, so that a newer compiler can't break a build.
add_library(hf_warnings INTERFACE)
target_compile_options(hf_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla
  -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wno-missing-field-initializers)
target_include_directories(hf_warnings INTERFACE ${PROJECT_SOURCE_DIR})
