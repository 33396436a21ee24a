# librmmap.so
