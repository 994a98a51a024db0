# sealring_unity_test(NAME SOURCES... LIBS...): a test file written for Unity (C or C++, with a main of its own),
# unchanged, run by CTest. See tests/unity/README.md.
add_library(sealring_unity STATIC
  ${PROJECT_SOURCE_DIR}/tests/unity/unity.cc ${PROJECT_SOURCE_DIR}/tests/unity/unity_values.cc)
target_link_libraries(sealring_unity PUBLIC sealring_flags)
target_include_directories(sealring_unity INTERFACE ${PROJECT_SOURCE_DIR}/tests/unity)
# The file's main is renamed by the linker rather than by -Dmain=...: it keeps what the languages grant to main alone (any
# of its signatures in C++, no return statement), and no word of the file is changed.
target_link_options(sealring_unity INTERFACE LINKER:--wrap=main)
# A failed assertion is thrown through the frames of C.
target_compile_options(sealring_unity INTERFACE $<$<COMPILE_LANGUAGE:C>:-fexceptions>)

function(sealring_unity_program name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE sealring_unity ${T_LIBS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF LINKER_LANGUAGE CXX)
endfunction()

function(sealring_unity_test name)
  sealring_unity_program(${name} ${ARGN})
  add_test(NAME ${name} COMMAND ${name})
  set(timeout 300)
  if(SEALRING_SANITIZE)
    set(timeout 1500)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS unit)
endfunction()
