# Adds the members of PARTS (comma-separated archives) to ARCHIVE.
string(REPLACE "," ";" parts "${PARTS}")
set(script "OPEN ${ARCHIVE}\n")
foreach(part ${parts})
  string(APPEND script "ADDLIB ${part}\n")
endforeach()
file(WRITE ${ARCHIVE}.mri "${script}SAVE\nEND\n")
execute_process(COMMAND ${AR} -M INPUT_FILE ${ARCHIVE}.mri COMMAND_ERROR_IS_FATAL ANY)
