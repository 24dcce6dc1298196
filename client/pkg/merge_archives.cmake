# Adds the members of PARTS (comma-separated archives) to ARCHIVE. As a new archive in its place,
# because clang's ar opens none to add to.
string(REPLACE "," ";" parts "${PARTS}")
set(script "CREATE ${ARCHIVE}.merged\n")
foreach(part ${ARCHIVE} ${parts})
  string(APPEND script "ADDLIB ${part}\n")
endforeach()
file(WRITE ${ARCHIVE}.mri "${script}SAVE\nEND\n")
execute_process(COMMAND ${AR} -M INPUT_FILE ${ARCHIVE}.mri COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${ARCHIVE}.merged ${ARCHIVE})
