# Writes holdfast_layouts.h: what wire.c needs of each message, found by the field's number, 16 bytes a
# field, where protobuf-c's descriptors have 72 and are searched.
#   cmake -DMESSAGES=holdfast.pb-c.c -DHEADER=holdfast_layouts.h -P layouts.cmake
# All of it is taken from the descriptors that protoc-c 1.4 has made.
cmake_minimum_required(VERSION 3.25)

file(READ ${MESSAGES} text)
string(REGEX REPLACE "/\\*[^*]*\\*/" "" text "${text}")
string(REGEX REPLACE "[ \n]+" " " text "${text}")
string(REGEX REPLACE "[][;]" "," text "${text}") # they mean something in lists of CMake's
string(CONCAT field "{ \"[a-z0-9_]+\", ([0-9]+), PROTOBUF_C_LABEL_([A-Z]+), (PROTOBUF_C_TYPE_[A-Z0-9]+), "
       "(0,|offsetof\\([^)]*\\),) (offsetof\\([^)]*\\)), &?(NULL|[a-z0-9_]+),")
set(message "ProtobufCMessageDescriptor holdfast__([a-z0-9_]+)__descriptor =")
string(REGEX MATCHALL "(${field}|${message})" tokens "${text}")

set(declared "")
set(defined "")
set(slots "") # of the message that follows
foreach(token IN LISTS tokens)
  if(token MATCHES "^${field}")
    set(number ${CMAKE_MATCH_1})
    set(label ${CMAKE_MATCH_2})
    set(type ${CMAKE_MATCH_3})
    set(places "${CMAKE_MATCH_5}, ${CMAKE_MATCH_4}")
    string(REGEX REPLACE "^holdfast__(.*)__descriptor$" "&layout_\\1" layout "${CMAKE_MATCH_6}")
    set(repeated false)
    if(label STREQUAL "REPEATED")
      set(repeated true)
    endif()
    if(type MATCHES "_MESSAGE$")
      set(wire DELIMITED)
    else()
      set(layout NULL)
      if(type MATCHES "_(BYTES|STRING)$")
        set(wire DELIMITED)
      elseif(type MATCHES "_DOUBLE$")
        set(wire FIXED64)
      elseif(type MATCHES "_(SINT64|UINT64|UINT32|ENUM|BOOL)$")
        set(wire VARINT)
      else()
        message(FATAL_ERROR "${type} is new in holdfast.proto: first teach wire.c to read it")
      endif()
    endif()
    string(APPEND slots "    [${number}] = {${type}, ${wire}, ${repeated}, ${places} ${layout}},\n")
  elseif(token MATCHES "^${message}")
    set(name ${CMAKE_MATCH_1})
    set(array "NULL, 0")
    if(slots)
      string(APPEND defined "\nstatic const struct slot slots_${name}[] = {\n${slots}};")
      set(array "slots_${name}, sizeof slots_${name} / sizeof *slots_${name}")
    endif()
    string(APPEND declared "static const struct layout layout_${name};\n")
    string(APPEND defined "\nstatic const struct layout layout_${name} = {\n"
           "    &holdfast__${name}__descriptor, ${array}};\n")
    set(slots "")
  endif()
endforeach()
file(WRITE ${HEADER} "/* Made from protoc-c's descriptors by layouts.cmake; wire.c includes it. */

${declared}${defined}")
