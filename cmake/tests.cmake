# sealring_test(NAME SOURCES... LIBS...): one Catch2 binary with the shared main, run by CTest.
find_package(Catch2 2 REQUIRED)
add_library(sealring_test_main STATIC ${PROJECT_SOURCE_DIR}/tests/unit/main.cc)
target_link_libraries(sealring_test_main PUBLIC Catch2::Catch2 sealring_flags)
target_compile_definitions(sealring_test_main PUBLIC SEALRING_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/vectors")

function(sealring_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE sealring_test_main ${T_LIBS})
  # Each file is a list of examples with small helpers of the same names; what CMAKE_UNITY_BUILD is to show, that the
  # parts of a program do not get in each other's way, shows in the programs.
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  add_test(NAME ${name} COMMAND ${name})
  set(timeout 300)
  if(SEALRING_SANITIZE)  # up to ten times slower
    set(timeout 1500)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS unit)
endfunction()
include(${CMAKE_CURRENT_LIST_DIR}/unity.cmake)
