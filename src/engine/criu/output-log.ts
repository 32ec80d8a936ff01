/** stdout and stderr of one instance are kept up to this size; conmon then starts over. */
export const logBytesMax = 4 * 1024 * 1024;
