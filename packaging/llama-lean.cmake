# Read by llama.cpp's CMake project through -DCMAKE_PROJECT_llama.cpp_INCLUDE (see the Makefile).
# llama-cpp-python needs libllama and ggml only; the "common" library and what hangs on it is more
# than half of the compile.
set(LLAMA_BUILD_COMMON OFF)
