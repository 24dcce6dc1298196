# Writes holdfast_fields.h: a constant for each field of each message of a .proto file.
#   cmake -DPROTO=holdfast.proto -DHEADER=holdfast_fields.h -P fields.cmake
# It reads what holdfast.proto uses of the language: no map, no option, no reserved numbers.
# lint.wire compares the header with the descriptors that protoc-c makes.
cmake_minimum_required(VERSION 3.25)

file(READ ${PROTO} text)
string(REGEX REPLACE "//[^\n]*" "" text "${text}")
string(REPLACE ";" "," text "${text}") # a semicolon separates the items of a list of CMake's
string(REGEX MATCHALL "[a-z]+ +[A-Za-z]+ *{|[a-z][a-z0-9_]* *= *[0-9]+ *,|}" tokens "${text}")

set(prefix "")
set(around "top") # what stands around the message; an empty list could not hold ""
set(header "/* Made from holdfast.proto by fields.cmake. HF_FIELD_<MESSAGE>_<FIELD>: the field's number.
 * For the fields of a oneof protobuf-c has constants as well, the values of <name>_case.
 */
#ifndef HF_PROTO_HOLDFAST_FIELDS_H
#define HF_PROTO_HOLDFAST_FIELDS_H

enum {
")
foreach(token IN LISTS tokens)
  if(token MATCHES "^message +([A-Za-z]+)")
    string(REGEX REPLACE "([a-z])([A-Z])" "\\1_\\2" message ${CMAKE_MATCH_1})
    list(PREPEND around "${prefix}")
    string(APPEND prefix "${message}_")
  elseif(token MATCHES "{") # a oneof, whose fields are the message's; an enum, which has none
    list(PREPEND around "${prefix}")
  elseif(token STREQUAL "}")
    list(POP_FRONT around prefix)
  elseif(token MATCHES "^([a-z0-9_]+) *= *([0-9]+)")
    string(TOUPPER "  HF_FIELD_${prefix}${CMAKE_MATCH_1} = ${CMAKE_MATCH_2},\n" line)
    string(APPEND header "${line}")
  endif()
endforeach()
file(WRITE ${HEADER} "${header}};\n\n#endif\n")
