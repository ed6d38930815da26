/**
 * Compiles the AssemblyScript hot loops of the project to WebAssembly.
 *
 * @module
 */
